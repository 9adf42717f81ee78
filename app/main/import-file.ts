import { randomUUID } from 'node:crypto';
import { encodeBase64 } from '@sallyport/shared/client/base64.ts';
import { readWireGuardFile, type WireGuardImport } from '@sallyport/shared/client/import-wireguard-conf.ts';
import { FormatError } from '@sallyport/shared/formats/format-error.ts';
import { TunnelNameError } from '@sallyport/shared/formats/tunnel-name.ts';
import type { ImportRefusal, ImportResult } from '../bridge/channels.ts';
import { freeName } from './free-name.ts';
import type { Mirror } from './mirror.ts';
import type { ImportFile, ImportRequest } from './requests.ts';
import type { TunnelClient } from './tunnel-client.ts';

/** Reads WireGuard files and stores them as new tunnels; a name that is taken gets a number. */
export function createImporter(client: TunnelClient, mirror: Mirror): ImportFile {
  return async (request) => {
    const read = readFile(request);
    if ('problems' in read) return { status: 'refused', refusal: read };
    const id = randomUUID();
    const name = freeName(read.name, mirror.names);
    await client.call('configurations.save', {
      configuration: {
        id,
        name,
        protocolConfiguration: read.protocolConfiguration,
        secretReferences: [...read.secretReferences],
      },
      expectedRevision: null,
      secrets: Object.fromEntries(
        [...read.secrets].map(([reference, secret]) => [reference, encodeBase64(secret)]),
      ),
    });
    return { status: 'imported', id, name, notes: notes(read, name) } satisfies ImportResult;
  };
}

function readFile({ name, bytes, withoutScripts }: ImportRequest): WireGuardImport | ImportRefusal {
  try {
    return readWireGuardFile({ bytes, fileName: name, dropScripts: withoutScripts });
  } catch (error) {
    if (error instanceof FormatError) {
      return {
        file: error.file,
        problems: error.problems.map(({ line, reason }) => ({ line, reason })),
        canDropScripts: error.problems.every((problem) => problem.code === 'scriptRefused'),
      };
    }
    if (error instanceof TunnelNameError) {
      const reason = `The tunnel would be named after the file. ${error.message} Rename the file and import it again.`;
      return { file: name, problems: [{ line: null, reason }], canDropScripts: false };
    }
    throw error;
  }
}

function notes(read: WireGuardImport, name: string): string[] {
  const dropped = read.droppedLines.map(({ key, line }) => `${key} (line ${String(line)})`);
  return [
    ...(name === read.name ? [] : [`There was already a tunnel named ${read.name}.`]),
    ...(dropped.length === 0 ? [] : [`Left out: ${dropped.join(', ')}.`]),
  ];
}
