import { hash } from 'node:crypto';
import type { Digest } from '../world.ts';

export const digest: Digest = {
  sha256: (content) => hash('sha256', content, 'hex'),
  sha256Base64: (content) => hash('sha256', content, 'base64'),
};
