"""The one error that is the person's to mend."""


class InputError(ValueError):
    """What came from outside is wrong. The message says what, where, and what to do, in one
    sentence."""
