/** A text to look for, and the registered secret it stands for. */
export type Variant = { readonly text: string; readonly secret: string };

/** Every spelling in which a registered secret may appear, and which secrets are too short or too common to be looked for. */
export function secretVariants(secrets: readonly string[]): { readonly variants: readonly Variant[]; readonly refused: readonly number[] } {
  const variants = new Map<string, Variant>();
  const refused: number[] = [];
  for (const [index, secret] of secrets.entries()) {
    const parts = partsOf(secret).filter(isWorthHiding);
    if (parts.length === 0) refused.push(index);
    for (const part of parts)
      for (const text of spellingsOf(part)) if (text.length >= lengthMin) variants.set(text, { text, secret: part });
  }
  return { variants: [...variants.values()], refused };
}

/** Shorter values stand in ordinary text by chance. */
export const lengthMin = 8;

/** Replacing these would make every log unreadable and protect nothing. */
const commonWords = new Set([
  'password',
  'changeme',
  'localhost',
  'production',
  'development',
  'undefined',
  'administrator',
  'postgres',
  'disabled',
  'required',
]);

const isWorthHiding = (value: string): boolean =>
  value.length >= lengthMin && new Set(value).size >= distinctMin && !commonWords.has(value.toLowerCase());
/** `aaaaaaaa`, `--------`, `00000000` and `12121212` are rulers and placeholders. */
const distinctMin = 5;

/** A blob is also its parts: the lines of a key file, the strings of a JSON credential, the password of an address. */
function partsOf(secret: string): readonly string[] {
  const whole = secret.trim();
  const parts = [whole, ...whole.split(/\s*[\r\n]+\s*/), ...stringsOfJson(whole), ...passwordOfUrl(whole)];
  return [...new Set(parts)].filter((part) => !part.startsWith('-----')).concat(whole.startsWith('-----') ? [whole] : []);
}

function stringsOfJson(text: string): readonly string[] {
  if (!/^[{[]/.test(text)) return [];
  const found: string[] = [];
  try {
    JSON.parse(text, (_, value: unknown) => {
      if (typeof value === 'string') found.push(value, ...value.split(/[\r\n]+/));
      return value;
    });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return found;
}

function passwordOfUrl(text: string): readonly string[] {
  const password = /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]*?:([^@\s]+)@/i.exec(text)?.[1];
  if (password === undefined) return [];
  try {
    return [password, decodeURIComponent(password)];
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return [password];
  }
}

function spellingsOf(value: string): readonly string[] {
  const bytes = new TextEncoder().encode(value);
  const json = JSON.stringify(value).slice(1, -1);
  const url = encodeURIComponent(value.toWellFormed());
  const strictUrl = url.replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  const hex = textOf(bytes, hexOfByte);
  const base64 = [0, 1, 2].map((shift) => base64At(bytes, shift));
  return [
    ...[value, json, JSON.stringify(json).slice(1, -1)].flatMap((text) => [text, asLatin1(text)]),
    ...[url, strictUrl].flatMap((text) => [
      text,
      lowerEscapes(text),
      text.replaceAll('%20', '+'),
      lowerEscapes(text).replaceAll('%20', '+'),
    ]),
    value.replace(/[&<>"']/g, (char) => htmlEntities[char]!),
    ...base64.flatMap((text) => [text, text.replaceAll('+', '-').replaceAll('/', '_')]),
    hex,
    hex.toUpperCase(),
  ];
}

const htmlEntities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

const lowerEscapes = (text: string): string => text.replace(/%[0-9A-F]{2}/g, (escaped) => escaped.toLowerCase());

/** The text's UTF-8 bytes as characters, for output that is looked at byte by byte. */
const asLatin1 = (text: string): string => (/^[\0-\x7f]*$/.test(text) ? text : textOf(new TextEncoder().encode(text), charOfByte));

/** Each run has a token of its own, whose spellings are made for it: nothing dearer than this. */
function textOf(bytes: Uint8Array, ofByte: readonly string[]): string {
  let text = '';
  for (const byte of bytes) text += ofByte[byte];
  return text;
}
const charOfByte = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Base64 of the value where it begins at byte `shift` of a group of three; characters that also hold neighbours' bits are left off. */
function base64At(bytes: Uint8Array, shift: number): string {
  const padded = new Uint8Array(shift + bytes.length);
  padded.set(bytes, shift);
  const encoded = btoa(textOf(padded, charOfByte));
  const from = Math.ceil((shift * 8) / 6);
  return encoded.slice(from, Math.floor(((shift + bytes.length) * 8) / 6));
}
