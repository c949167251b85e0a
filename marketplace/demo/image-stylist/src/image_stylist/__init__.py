"""Image stylist: your picture in the colours of another."""
