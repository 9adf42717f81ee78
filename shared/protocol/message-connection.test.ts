import { describe, expect, it } from 'vitest';
import {
  AbstractMessageReader,
  AbstractMessageWriter,
  Message,
  type DataCallback,
} from 'vscode-jsonrpc/node';
import { connectMessages } from './message-connection.ts';

class Reader extends AbstractMessageReader {
  give: DataCallback = () => undefined;

  listen(callback: DataCallback) {
    this.give = callback;
    return { dispose: () => undefined };
  }
}

class Writer extends AbstractMessageWriter {
  readonly written: Message[] = [];

  write(message: Message): Promise<void> {
    this.written.push(message);
    return Promise.resolve();
  }

  end(): void {}
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe('connectMessages', () => {
  it('handles in one turn all that has arrived, in order', async () => {
    const reader = new Reader();
    const writer = new Writer();
    const rpc = connectMessages(reader, writer);
    const seen: unknown[] = [];
    rpc.onRequest((method) => {
      seen.push(method);
      return {};
    });
    rpc.listen();
    const names = Array.from({ length: 50 }, (_, index) => `method${String(index)}`);
    for (const [id, method] of names.entries()) reader.give(request(id, method));
    expect(seen).toEqual([]);
    await turn();
    expect(seen).toEqual(names);
    await turn();
    expect(writer.written).toHaveLength(50);
    rpc.dispose();
  });

  it('goes on with the next turn after a handler threw', async () => {
    const reader = new Reader();
    const writer = new Writer();
    const rpc = connectMessages(reader, writer);
    rpc.onRequest((method) => {
      if (method === 'bad') throw new Error('refused');
      return {};
    });
    rpc.listen();
    reader.give(request(1, 'bad'));
    reader.give(request(2, 'good'));
    await turn();
    reader.give(request(3, 'good'));
    await turn();
    await turn();
    expect(writer.written.map((message) => Message.isResponse(message) && message.id)).toEqual(
      expect.arrayContaining([1, 2, 3]),
    );
    rpc.dispose();
  });
});

function request(id: number, method: string): Message & { id: number; method: string; params: object } {
  return { jsonrpc: '2.0', id, method, params: {} };
}
