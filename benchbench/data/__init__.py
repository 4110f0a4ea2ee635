"""Images: the built-in photographs and folders of your own."""
