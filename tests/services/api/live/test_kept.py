"""How much of the stream between replicas is worth keeping."""

from services.api.live.kept import Kept


def test_so_many_of_the_newest_stay_as_fit_and_what_is_added_in_any_case() -> None:
    kept = Kept(10)
    assert kept.add([b"xxxx"], 3) == 1
    assert kept.add([b"xxxx"], 3) == 2
    assert kept.add([b"xx"], 3) == 3
    assert kept.add([b"x"], 3) == 3, "so many entries"
    assert kept.add([b"xxxxxxxxx"], 3) == 2, "so many bytes"
    assert kept.add([b"xxxxxx", b"xxxxxx"], 3) == 2, "a base of several is never cut in two"
    assert kept.add([b"x" * 20], 3) == 1
    kept.forget()
    assert kept.add([b"x"], 3) == 1
