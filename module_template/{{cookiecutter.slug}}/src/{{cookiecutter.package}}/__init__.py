"""{{ cookiecutter.title }}"""
