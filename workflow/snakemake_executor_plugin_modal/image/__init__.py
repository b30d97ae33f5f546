"""What is put into the image: the package below is copied to /root of every container."""
