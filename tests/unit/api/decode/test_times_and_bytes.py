from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.api.bytestext import NotBase64, base64_text
from apiserver.api.times import NotATime, micro_time_text, time_text
from tests.unit.api.shapes import MICRO_TIMES, TIMES, tries


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05.999999999Z", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05,5Z", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05+02:00", "2024-01-02T01:04:05Z"),
        ("2024-01-01T00:30:00-23:59", "2024-01-02T00:29:00Z"),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T01:00:00+01:00", None),
        ("0001-01-01T00:00:01Z", "0001-01-01T00:00:01Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_times_are_kept_in_utc_to_the_second(text: str, kept: str | None) -> None:
    assert time_text(text) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("2024-01-02T03:04:05.000006Z", "2024-01-02T03:04:05.000006Z"),
        ("2024-01-02T03:04:05.500000+01:00", "2024-01-02T02:04:05.500000Z"),
        ("0001-01-01T00:00:00.000000Z", None),
    ],
)
def test_micro_times_keep_six_digits(text: str, kept: str | None) -> None:
    assert micro_time_text(text) == kept


LAYOUT = '"2006-01-02T15:04:05Z07:00"'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", f'parsing time "" as {LAYOUT}: cannot parse "" as "2006"'),
        ("soon", f'parsing time "soon" as {LAYOUT}: cannot parse "soon" as "2006"'),
        ("2024-1-2T03:04:05Z", f'parsing time "2024-1-2T03:04:05Z" as {LAYOUT}: cannot parse "1-2T03:04:05Z" as "01"'),
        ("2024-01-02 03:04:05Z", f'parsing time "2024-01-02 03:04:05Z" as {LAYOUT}: cannot parse " 03:04:05Z" as "T"'),
        ("2024-01-02T03:04:05", f'parsing time "2024-01-02T03:04:05" as {LAYOUT}: cannot parse "" as "Z07:00"'),
        ("2024-01-02T03:04:05Zx", 'parsing time "2024-01-02T03:04:05Zx": extra text: "x"'),
        ("2024-13-02T03:04:05Z", 'parsing time "2024-13-02T03:04:05Z": month out of range'),
        ("2024-02-30T03:04:05Z", 'parsing time "2024-02-30T03:04:05Z": day out of range'),
        ("2024-01-02T24:04:05Z", 'parsing time "2024-01-02T24:04:05Z": hour out of range'),
        ("2024-01-02T03:60:05Z", 'parsing time "2024-01-02T03:60:05Z": minute out of range'),
        ("2024-01-02T03:04:61Z", 'parsing time "2024-01-02T03:04:61Z": second out of range'),
    ],
)
def test_what_is_no_time_is_told_in_go_s_words(text: str, told: str) -> None:
    with pytest.raises(NotATime) as caught:
        time_text(text)
    assert str(caught.value) == told


@pytest.mark.parametrize("text", ["2024-01-02T03:04:05Z", "2024-01-02T03:04:05.1Z", "2024-01-02T03:04:05.1234567Z"])
def test_a_micro_time_has_exactly_six_digits(text: str) -> None:
    with pytest.raises(NotATime, match=r'as "2006-01-02T15:04:05\.000000Z07:00"'):
        micro_time_text(text)


@tries(300)
@given(TIMES, MICRO_TIMES)
def test_what_we_write_we_read_as_it_is(seconds: str, micros: str) -> None:
    assert time_text(seconds) == seconds
    assert micro_time_text(micros) == micros


@tries(300)
@given(st.text("0123456789-:TZ+.,", max_size=32) | st.text(max_size=25))
def test_any_text_is_a_time_or_no_time(text: str) -> None:
    for read in (time_text, micro_time_text):
        try:
            kept = read(text)
        except NotATime:
            continue
        assert kept is None or read(kept) == kept


@tries(300)
@given(st.binary(max_size=40))
def test_base64_stays_as_it_is_and_loses_line_breaks(raw: bytes) -> None:
    text = base64.b64encode(raw).decode()
    assert base64_text(text) == text
    assert base64_text("\r\n".join(text)) == text


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("%", 0),
        ("a", 0),
        ("ab", 0),
        ("abc", 0),
        ("abcd%", 4),
        ("ab=x", 2),
        ("ab==cd", 4),
        ("====", 0),
        ("é", 0),
        ("abcde", 4),
    ],
)
def test_what_is_no_base64_is_told_with_its_place(text: str, at: int) -> None:
    with pytest.raises(NotBase64, match=f"illegal base64 data at input byte {at}$"):
        base64_text(text)


@tries(300)
@given(st.text("ABCabc+/=\r\n%", max_size=14))
def test_any_text_is_base64_or_refused(text: str) -> None:
    try:
        kept = base64_text(text)
    except NotBase64:
        return
    base64.b64decode(kept, validate=True)
