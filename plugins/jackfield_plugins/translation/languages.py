"""Codes and English names of languages (ISO 639-1 and 639-3)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

AS_WRITTEN = "auto"
"""In place of the user's language: the one that the messages are in."""

_TABLE = """
af afr Afrikaans; am amh Amharic; an arg Aragonese; ar ara Arabic; ast ast Asturian; az aze
Azerbaijani; be bel Belarusian; bg bul Bulgarian; bn ben Bengali; br bre Breton; bs bos Bosnian;
ca cat Catalan; cs ces Czech; cy cym Welsh; da dan Danish; de deu German; el ell Greek; en eng
English; eo epo Esperanto; es spa Spanish; et est Estonian; eu eus Basque; fa fas Persian; fi fin
Finnish; fr fra French; ga gle Irish; gl glg Galician; gu guj Gujarati; he heb Hebrew; hi hin Hindi;
hr hrv Croatian; ht hat Haitian; hu hun Hungarian; hy hye Armenian; id ind Indonesian; is isl
Icelandic; it ita Italian; ja jpn Japanese; ka kat Georgian; kk kaz Kazakh; ko kor Korean; ky kir
Kyrgyz; la lat Latin; lb ltz Luxembourgish; lt lit Lithuanian; lv lav Latvian; mk mkd Macedonian;
ml mal Malayalam; mn mon Mongolian; mr mar Marathi; ms msa Malay; mt mlt Maltese; nb nob Norwegian
Bokmål; ne nep Nepali; nl nld Dutch; nn nno Norwegian Nynorsk; no nor Norwegian; oc oci Occitan;
pa pan Punjabi; pl pol Polish; pt por Portuguese; ro ron Romanian; ru rus Russian; sc srd
Sardinian; se sme Northern Sami; sh hbs Serbo-Croatian; sk slk Slovak; sl slv Slovenian; sq sqi
Albanian; sr srp Serbian; sv swe Swedish; sw swa Swahili; ta tam Tamil; te tel Telugu; th tha
Thai; tl tgl Tagalog; tr tur Turkish; tt tat Tatar; uk ukr Ukrainian; ur urd Urdu; uz uzb Uzbek;
vi vie Vietnamese; xh xho Xhosa; yo yor Yoruba; zh zho Chinese; zu zul Zulu
"""


def _rows() -> list[tuple[str, str, str]]:
    rows = (" ".join(row.split()).split(" ", 2) for row in _TABLE.split(";"))
    return [(row[0], row[1], row[2]) for row in rows]


NAMES: Mapping[str, str] = MappingProxyType({code: name for code, _, name in _rows()})
"""Code of two letters (three where a language has no other) to English name."""

_SHORT: Mapping[str, str] = MappingProxyType({long: code for code, long, _ in _rows()})
_LONG: Mapping[str, str] = MappingProxyType({code: long for code, long, _ in _rows()})


def short(code: str) -> str:
    """The code of two letters for one of two or three; "" for a language not in the table.

    What follows the language, as in ``eng_US`` or ``pt-BR``, is passed over.
    """
    language = code.replace("_", "-").partition("-")[0].lower()
    return language if language in NAMES else _SHORT.get(language, "")


def long(code: str) -> str:
    """The code of three letters, or the code itself for a language not in the table."""
    return _LONG.get(code, code)


def name_of(code: str) -> str:
    """A language's English name, or its code in quotes if it is not in the table."""
    return NAMES.get(code, repr(code))
