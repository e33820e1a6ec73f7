"""`python -m gan_aug` is `gan-aug`: what launchers that start modules ask for."""

from gan_aug.cli.app import main

if __name__ == "__main__":
    main()
