"""What all tests share: other people's data, and the skips that are expected."""

pytest_plugins = ["data_sets", "skips"]
