"""Publishing detectors on the Hugging Face Hub, and opening published ones without having to trust them."""
