"""What the tests of the verbs share: the line that a user's mistake gets."""

from pokegen.cli.main import main


def one_line(capsys, *argv):
    """Run a command that must fail with status 2, one line on stderr and nothing on stdout; that line."""
    capsys.readouterr()
    assert main([str(word) for word in argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pokegen: ")
    assert err.count("\n") == 1
    return err
