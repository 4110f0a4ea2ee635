"""What runs a trained network: eager torch, compilers and inference libraries, one file each."""
