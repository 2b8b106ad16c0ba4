import type { HttpResponse } from '../core/http.ts';
import type { Asked, Page } from './page.ts';
import { asset, type Problem } from './respond.ts';
import type { Shown } from './shown.ts';

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
};

/** Packed copies lie beside each file, under its name and this. The best comes first. */
const packings = [
  { encoding: 'br', ending: '.br' },
  { encoding: 'gzip', ending: '.gz' },
] as const;

/** The dashboard as a browser gets it: the same to everybody, so that whoever is not logged in is told how. What is in it comes from /api. */
export const dashboardFiles: readonly Page[] = [
  { paths: ['/'], needs: 'nobody', byLink: true, answer: (shown, asked) => file(shown, 'index.html', asked) },
  { paths: ['/dashboard/:name'], needs: 'nobody', answer: (shown, asked) => file(shown, asked.params['name'] ?? '', asked) },
];

async function file(
  shown: Pick<Shown, 'dashboardFile'>,
  name: string,
  { request }: Pick<Asked, 'request'>,
): Promise<HttpResponse | Problem> {
  const type = types[/^[\w-]+\.(\w+)$/.exec(name)?.[1] ?? ''];
  if (type === undefined) return { status: 404, code: 'NOT_FOUND', message: 'there is no such file of the dashboard' };
  const accepted = request.headers['accept-encoding'] ?? '';
  const packing = packings.find(({ encoding }) => accepts(accepted, encoding));
  const body = await shown.dashboardFile(`${name}${packing?.ending ?? ''}`);
  if (body === null)
    return name === 'index.html'
      ? { status: 503, code: 'NOT_BUILT', message: 'the dashboard is not built here; "npm run build" builds it' }
      : { status: 404, code: 'NOT_FOUND', message: 'there is no such file of the dashboard' };
  const response = asset(type, body, { immutable: name !== 'index.html' });
  const packed = packing === undefined ? {} : { 'content-encoding': packing.encoding };
  // The page itself is never kept: it names the files of the build that answers now.
  const kept = name === 'index.html' ? { 'cache-control': 'no-store' } : {};
  return { ...response, headers: { ...response.headers, ...packed, ...kept, vary: 'accept-encoding' } };
}

/** `gzip;q=0` is a refusal. */
const accepts = (header: string, encoding: string): boolean =>
  header.split(',').some((each) => {
    const [name, ...parameters] = each.split(';').map((part) => part.trim().toLowerCase());
    return name === encoding && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  });
