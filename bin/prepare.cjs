// npm runs this after an install. It builds, where that can be done: not before `npm ci` has brought Node and esbuild (npx links a checkout and
// prepares it whatever its state), and not without development dependencies. Then bin/todo says what is missing when it is started.
const { existsSync } = require('node:fs');
const { join } = require('node:path');

const [major] = process.versions.node.split('.').map(Number);
if (major < 24 || !existsSync(join(__dirname, '..', 'node_modules', 'esbuild'))) {
  process.stderr.write('todo: not built, since the development dependencies are not installed ("npm ci" installs them and builds)\n');
} else {
  import('./build.ts').catch((error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exitCode = 1;
  });
}
