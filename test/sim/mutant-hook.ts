// Loaded before everything else (`node --import`): plants the bug that SIGNOFF_MUTANT names, or fails loudly.
import { registerHooks } from 'node:module';
import type { Mutant } from './mutants.ts';

const { file, find, replace } = JSON.parse(process.env['SIGNOFF_MUTANT'] ?? '{}') as Mutant;
const place = file.startsWith('test/') ? `/${file}` : `/src/${file}`;

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (!url.endsWith(place)) return loaded;
    const source = String(loaded.source);
    if (source.split(find).length !== 2)
      throw new Error(`the place to plant the bug stands ${source.split(find).length - 1} times in ${file}: ${find}`);
    process.stderr.write(`planted in ${file}\n`);
    return { ...loaded, source: source.replace(find, () => replace) };
  },
});
