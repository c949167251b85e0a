"""Sign-in by OpenID Connect: django-allauth keeps state, code and tables; what is trusted of an answer is said here."""
