"""PyTorch as it is: every operator by itself, as the network was written."""
