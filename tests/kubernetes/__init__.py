"""The files of docker/kubernetes: no cluster runs here, so schemas judge them."""
