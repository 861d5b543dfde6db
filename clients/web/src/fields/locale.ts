// The language by which numbers and dates are read and said: the form's own, not the browser's.

/** The first of these that is a language, as a tag that `Intl` takes. */
export function localeOf(...languages: (string | null)[]): string {
  return languages.find((one): one is string => one !== null && isTag(one)) ?? "en";
}

function isTag(language: string): boolean {
  try {
    return Intl.getCanonicalLocales(language).length > 0;
  } catch {
    return false;
  }
}

/** The zeros of the scripts whose digits are typed; the other nine follow each. */
const ZEROS = [
  0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
  0xe50, 0xed0, 0xf20, 0x1040, 0x17e0, 0x1810, 0xff10,
];
const UNSEEN = /[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;

/** A text with the digits of any script as 0 to 9, without invisible characters and outer space. */
export function withPlainDigits(text: string): string {
  return text.replace(UNSEEN, "").replace(/\p{Nd}/gu, plainDigit).trim();
}

function plainDigit(digit: string): string {
  const code = digit.codePointAt(0) ?? 0;
  const zero = ZEROS.find((one) => code >= one && code < one + 10);
  return zero === undefined ? digit : String(code - zero);
}
