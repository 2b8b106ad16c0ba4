/** One question to the server, as far as anything of ours reads it. */
export type HttpRequest = {
  readonly method: string;
  /** Without query, as it was sent. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case; of a header that came twice the first. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Text that says it is JSON. Null: none was sent, none is read with this method, or it could not be taken (`flaw`). */
  readonly body: string | null;
  readonly flaw: BodyFlaw | null;
  /** The address at the other end. */
  readonly from: string;
};

/** not-json: it says it is something else, or is packed. not-text: no UTF-8. */
export type BodyFlaw = 'too-large' | 'not-json' | 'not-text';

export const bodyBytesMax = 64 * 1024;

export type HttpResponse = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** A stream is written piece by piece until it ends or the asker is gone. */
  readonly body: string | Uint8Array | AsyncIterable<string>;
};

/** Never rejects for what a request can say; `gone` is aborted when the asker went away. */
export type HttpHandler = (request: HttpRequest, gone: AbortSignal) => Promise<HttpResponse>;
