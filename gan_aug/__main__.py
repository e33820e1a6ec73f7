"""The command line as `python -m gan_aug`, for places where only the interpreter is known."""

from gan_aug.cli import main

if __name__ == "__main__":
    main()
