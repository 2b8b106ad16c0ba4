import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempDisposableSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { ControlReply, ControlRequest } from '../../src/core/control.ts';
import { OperationalError } from '../../src/core/errors.ts';
import { parseControlRequest } from '../../src/platform/control-request.ts';
import { ask, type ControlHandler, serveControl } from '../../src/platform/control-socket.ts';
import { socketPath } from '../../src/platform/socket-path.ts';
import { startProgram } from './program.ts';

const accepted: ControlReply = { ok: true, kind: 'accepted' };

/** A private folder with a socket in it. */
function folder() {
  const at = mkdtempDisposableSync(join(tmpdir(), 'todo-socket-'));
  return { of: (name: string) => join(at.path, name), path: join(at.path, 'control.sock'), [Symbol.dispose]: () => at.remove() };
}

async function served(path: string, handler: ControlHandler) {
  const defects: unknown[] = [];
  const server = await serveControl(path, handler, (error) => defects.push(error));
  return { defects, close: () => server.close(), [Symbol.asyncDispose]: () => server.close() };
}

/** What comes back for a line that is not a request of ours. */
async function raw(path: string, text: string): Promise<string> {
  const socket = connect(path);
  await once(socket, 'connect');
  socket.write(text);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}

test('a request gets its answer, each on a line of its own, and the socket is private', async () => {
  using at = folder();
  await using _server = await served(at.path, async (request) => ({
    ok: true,
    kind: 'ended',
    todoId: JSON.stringify(request),
    status: 'completed',
    proof: 'verified',
  }));
  const request: ControlRequest = { op: 'emergency', todoId: 'a\nb', action: 'complete', reason: null };
  const reply = await ask(at.path, request, 5000);
  assert.deepEqual(reply, { ok: true, kind: 'ended', todoId: JSON.stringify(request), status: 'completed', proof: 'verified' });
  assert.equal(statSync(at.path).mode & 0o777, 0o600);
});

test('without a daemon there is no answer, also where a dead one left its socket, which then goes', async () => {
  using at = folder();
  assert.equal(await ask(at.path, { op: 'hello' }, 1000), null);
  const dead = startProgram('leave-socket.ts', [at.path]);
  assert.equal(await dead.line(), 'listening');
  dead.process.kill('SIGKILL');
  await dead.ended();
  assert.equal(existsSync(at.path), true);
  assert.equal(await ask(at.path, { op: 'hello' }, 1000), null);
  await using _server = await served(at.path, async () => accepted);
  assert.deepEqual(await ask(at.path, { op: 'hello' }, 1000), accepted);
});

test('where somebody answers the socket is not taken away', async () => {
  using at = folder();
  await using _server = await served(at.path, async () => accepted);
  await assert.rejects(
    served(at.path, async () => accepted),
    { code: 'LOCKED' },
  );
  assert.deepEqual(await ask(at.path, { op: 'wake' }, 1000), accepted);
});

test('[S1] a folder that is open to others, a link, or something else under that name is refused', async () => {
  using at = folder();
  const refused = { code: 'FILE_UNWRITABLE' };
  mkdirSync(at.of('open'), { mode: 0o700 });
  chmodSync(at.of('open'), 0o755);
  await assert.rejects(
    served(join(at.of('open'), 's'), async () => accepted),
    refused,
  );
  mkdirSync(at.of('private'), { mode: 0o700 });
  symlinkSync(at.of('private'), at.of('link'));
  await assert.rejects(
    served(join(at.of('link'), 's'), async () => accepted),
    refused,
  );
  writeFileSync(at.path, 'mine');
  await assert.rejects(
    served(at.path, async () => accepted),
    refused,
  );
  assert.equal(lstatSync(at.path).isFile(), true);
});

test('what is no request is refused with what is wrong, and a large one before it is read whole', async () => {
  using at = folder();
  await using server = await served(at.path, async () => accepted);
  for (const [line, says] of [
    ['what?\n', /not JSON/],
    ['[]\n', /not a JSON object/],
    ['{"op":"constructor"}\n', /unknown request/],
    ['{"op":"emergency","todoId":7,"action":"explode"}\n', /todoId must be text, action must be one of complete, reset, stall/],
    [`{"op":"hello","x":"${'x'.repeat(70_000)}"}\n`, /at most 65536 bytes/],
    ['y'.repeat(70_000), /at most 65536 bytes/],
  ] as const) {
    const reply = JSON.parse(await raw(at.path, line)) as ControlReply;
    assert.equal(reply.ok, false);
    assert.match(reply.ok ? '' : reply.message, says);
    assert.equal(!reply.ok && reply.code, 'BAD_DATA');
  }
  assert.deepEqual(server.defects, []);
});

test('every request of the contract passes, with what it left out as null', () => {
  const requests: ControlRequest[] = [
    { op: 'hello' },
    { op: 'wake' },
    { op: 'start', todoId: 't' },
    { op: 'verdict', runId: 'r', token: 's', round: 1, waitMs: 5 },
    { op: 'verb', verb: 'park', todoId: 't', summary: null, reason: 'r', force: false, notBeforeMs: 7 },
    { op: 'emergency', todoId: 't', action: 'stall', reason: null },
    { op: 'requeue', id: 't', force: false },
    { op: 'breaker', action: 'isolate', name: 'store', why: 'maintenance' },
    { op: 'recover', apply: true },
    { op: 'status' },
    { op: 'stop', force: true },
  ];
  for (const request of requests) assert.deepEqual(parseControlRequest(JSON.stringify(request)), { request });
  assert.deepEqual(parseControlRequest('{"op":"emergency","todoId":"t","action":"reset","planted":1}'), {
    request: { op: 'emergency', todoId: 't', action: 'reset', reason: null },
  });
});

test('an error with a code is told to the asker; one without is a defect, told to both', async () => {
  using at = folder();
  const errors = [new OperationalError('NOT_FOUND', { operation: 'looking for', subject: 'todo 7' }), new TypeError('oops')];
  await using server = await served(at.path, async () => {
    throw errors.shift();
  });
  const first = await ask(at.path, { op: 'status' }, 1000);
  assert.deepEqual(first, { ok: false, code: 'NOT_FOUND', message: 'NOT_FOUND while looking for todo 7', hint: 'See: todo list' });
  assert.deepEqual(server.defects, []);
  const second = await ask(at.path, { op: 'status' }, 1000);
  assert.equal(second?.ok === false && second.code, 'INTERNAL');
  assert.match(String(server.defects[0]), /oops/);
});

test('a daemon that does not answer in time is not the same as none; its work is told that nobody waits', async () => {
  using at = folder();
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  await using _server = await served(at.path, (_request, stop) => {
    stop.addEventListener('abort', () => resolve());
    return gone.then(() => accepted);
  });
  await assert.rejects(ask(at.path, { op: 'status' }, 20), { code: 'NO_DAEMON', message: /is there, but did not answer/ });
  await gone;
});

test('a daemon that dies in the middle is no answer', async () => {
  using at = folder();
  const { promise: called, resolve } = Promise.withResolvers<void>();
  const server = await served(at.path, () => {
    resolve();
    return new Promise(() => {});
  });
  const answer = ask(at.path, { op: 'status' }, 5000);
  await called;
  await server.close();
  assert.equal(await answer, null);
  assert.equal(existsSync(at.path), false);
});

test('a path too long for a socket becomes a short one that everybody derives alike', async () => {
  assert.equal(socketPath('/a/home'), '/a/home/control.sock');
  const long = `/${'deep/'.repeat(30)}home`;
  const short = socketPath(long);
  assert.ok(Buffer.byteLength(short) <= 107);
  assert.equal(socketPath(long), short);
  assert.notEqual(socketPath(`${long}2`), short);
  await using _server = await served(short, async () => accepted);
  assert.deepEqual(await ask(short, { op: 'hello' }, 1000), accepted);
  assert.equal(statSync(dirname(short)).mode & 0o777, 0o700);
});
