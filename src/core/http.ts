/** One question to the server, as far as anything of ours reads it. Bodies are not read yet: nothing here changes anything. */
export type HttpRequest = {
  readonly method: string;
  /** Without query, as it was sent. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case; of a header that came twice the first. */
  readonly headers: Readonly<Record<string, string | undefined>>;
};

export type HttpResponse = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** A stream is written piece by piece until it ends or the asker is gone. */
  readonly body: string | AsyncIterable<string>;
};

/** Never rejects for what a request can say; `gone` is aborted when the asker went away. */
export type HttpHandler = (request: HttpRequest, gone: AbortSignal) => Promise<HttpResponse>;
