import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { EngineInfo } from './engines/engine.ts';
import type { Replies, Reply, Request } from './engines/protocol.ts';

/** The engine cannot do this, or failed at it: what it said. */
export class EngineError extends Error {
  /** It said that it does not support the work: nothing is broken. */
  readonly unsupported: boolean;

  constructor(message: string, unsupported: boolean) {
    super(message);
    this.unsupported = unsupported;
  }
}

/** An engine in a process of its own. */
export class EngineProcess {
  readonly info: EngineInfo;
  readonly #child: ChildProcess;
  readonly #replies: ReplyLines;

  private constructor(child: ChildProcess, replies: ReplyLines, info: EngineInfo) {
    this.#child = child;
    this.#replies = replies;
    this.info = info;
  }

  /** @throws EngineError with the reason where the engine does not start */
  static async start([program, ...args]: readonly string[], timeout = 120_000): Promise<EngineProcess> {
    const child = spawn(program!, args, { stdio: ['pipe', 'ignore', 'pipe', 'pipe'] });
    const replies = new ReplyLines(child);
    const reply = await replies.next(timeout);
    if ('ready' in reply) return new EngineProcess(child, replies, reply.ready);
    child.kill();
    throw new EngineError('error' in reply ? firstLine(reply.error) : 'no greeting', 'error' in reply && reply.unsupported);
  }

  /** @throws EngineError with what the engine said, or because it ended or took too long; the process is gone after the last two */
  async call<K extends Request['call']>(request: Extract<Request, { readonly call: K }>, timeout = 600_000): Promise<Replies[K]> {
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`);
    const reply = await this.#replies.next(timeout);
    if ('value' in reply) return reply.value as Replies[K];
    throw new EngineError('error' in reply ? firstLine(reply.error) : 'an unexpected greeting', 'error' in reply && reply.unsupported);
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async close(): Promise<void> {
    if (!this.alive) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    await this.call({ call: 'close' }, 10_000).catch(() => this.#child.kill('SIGKILL'));
    await ended;
  }
}

/** Messages of native libraries run over many lines. */
const firstLine = (message: string): string =>
  message
    .split('\n')
    .find((line) => line.trim() !== '')
    ?.trim()
    .slice(0, 300) ?? message;

/** Reads the lines of file descriptor 3; one is waited for at a time. */
class ReplyLines {
  readonly #child: ChildProcess;
  #waiting: ((reply: Reply) => void) | undefined;
  #stderr = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    createInterface({ input: child.stdio[3] as Readable }).on('line', (line) => this.#settle(JSON.parse(line) as Reply));
    child.stderr!.on('data', (chunk: Buffer) => (this.#stderr = (this.#stderr + chunk.toString()).slice(-2000)));
    child.on('error', (error) => this.#settle({ error: error.message, unsupported: false }));
    child.on('close', (code, signal) => {
      const last = this.#stderr.trim().split('\n').at(-1) ?? '';
      this.#settle({ error: `the process ended with ${signal ?? `code ${code}`}${last ? `: ${last}` : ''}`, unsupported: false });
    });
    // Writing to a process that is gone is reported by its end.
    child.stdin!.on('error', () => undefined);
  }

  next(timeout: number): Promise<Reply> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#child.kill('SIGKILL');
        this.#settle({ error: `no answer within ${timeout / 1000} s`, unsupported: false });
      }, timeout);
      this.#waiting = (reply) => {
        clearTimeout(timer);
        resolve(reply);
      };
    });
  }

  #settle(reply: Reply): void {
    this.#waiting?.(reply);
    this.#waiting = undefined;
  }
}
