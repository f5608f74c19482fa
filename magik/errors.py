"""The one kind of error that a user can mend: reported in one line, without a traceback."""


class InputError(ValueError):
    """What was given is wrong: the message says where, what was found, what was expected.

    `magik.job` prints it as one line; every other exception is a defect of ours and keeps its
    traceback.
    """
