// A placeholder until the CLI moves in: it prints the version.
import about from '../../package.json' with { type: 'json' };

process.stdout.write(`${about.version}\n`);
