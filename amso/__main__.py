"""`amso …` and `python -m amso …`: the command line."""

from amso._rooms import put_rooms_on_path


def main() -> None:
    """Runs the command line."""
    put_rooms_on_path()
    from runner import main as run

    run()


if __name__ == "__main__":
    main()
