"""An app of Flower: what the server does between the rounds, and what each client does in them."""
