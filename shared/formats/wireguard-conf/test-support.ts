import { FormatError, type FormatErrorCode } from '../format-error.ts';
import type { ParsedWireGuardConf } from './conf.ts';
import { parseWireGuardConf } from './parse.ts';

export const privateKey = 'yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=';
export const publicKey = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=';
export const otherKey = 'TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=';
export const presharedKey = '/UwcSPg38hW/D9Y3tcS1FOV0K1wuURMbS0sesJEP5ak=';

/** Lines 1 and 2 are `[Interface]` and its key, the given ones follow, then a peer of two lines. */
export const withInterface = (...lines: string[]): string =>
  ['[Interface]', `PrivateKey = ${privateKey}`, ...lines, '[Peer]', `PublicKey = ${publicKey}`, ''].join(
    '\n',
  );
/** Lines 1 to 4 are `[Interface]`, its key, `[Peer]` and its key. */
export const withPeer = (...lines: string[]): string => withInterface() + lines.join('\n');

export function parse(text: string | Uint8Array, dropScripts = false): ParsedWireGuardConf {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
  return parseWireGuardConf(bytes, { fileName: 'home.conf', dropScripts });
}

export function refusal(text: string | Uint8Array, dropScripts = false): FormatError {
  try {
    parse(text, dropScripts);
  } catch (error) {
    if (error instanceof FormatError) return error;
    throw error;
  }
  throw new Error('The file was not refused.');
}

export const places = (error: FormatError): [FormatErrorCode, number | null][] =>
  error.problems.map(({ code, line }) => [code, line]);
