import type { CommandModule } from '../command.ts';
import { commands } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { usage } from '../todos.ts';

/** Words of the commands, and the numbers of todos where one is asked for. The shell asks us only for the latter. */
export const command: CommandModule = {
  async run(call) {
    const shell = call.args[0] ?? '';
    const script = scripts[shell];
    if (script === undefined) throw usage('completion', `no completion for ${shell}`, 'Known shells: bash, zsh, fish.');
    const names = commands.filter(({ hidden }) => !hidden).flatMap(({ name, aliases }) => [name, ...(aliases ?? [])]);
    const text = script(names);
    call.out.json('completion', { shell, script: text });
    call.out.line(text.trimEnd());
    return exit.yes;
  },
};

const numbers = `todo list --json 2>/dev/null | tr ',' '\\n' | sed -n 's/^"number":\\([0-9]*\\)$/\\1/p'`;

const scripts: Readonly<Record<string, (names: readonly string[]) => string>> = {
  bash: (names) => `# todo completion bash >> ~/.bashrc
_todo() {
  local word=\${COMP_WORDS[COMP_CWORD]}
  if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W '${names.join(' ')}' -- "$word"))
  else COMPREPLY=($(compgen -W "$(${numbers})" -- "$word")); fi
}
complete -o default -F _todo todo
`,
  zsh: (names) => `#compdef todo
# todo completion zsh > "\${fpath[1]}/_todo"
_todo() {
  if (( CURRENT == 2 )); then compadd ${names.join(' ')}
  else compadd $(${numbers}); _files; fi
}
compdef _todo todo
`,
  fish: (names) => `# todo completion fish > ~/.config/fish/completions/todo.fish
complete -c todo -n __fish_use_subcommand -f -a '${names.join(' ')}'
complete -c todo -n 'not __fish_use_subcommand' -a '(${numbers})'
`,
};
