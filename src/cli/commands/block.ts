import { verbCommand } from '../verbs.ts';

export const command = verbCommand('block');
