import { expect } from 'vitest';
import { serializedErrorSchema } from '@sallyport/shared/protocol/errors.ts';
import { responseMessageSchema } from '@sallyport/shared/protocol/messages.ts';

/** The code of a refusal; it must have the protocol's shape whatever was asked. */
export function isErrorAnswer(answer: Readonly<Record<string, unknown>>, label: string): string {
  const message = responseMessageSchema.parse(answer);
  if (!('error' in message)) throw new Error(`${label} was answered with neither a result nor an error.`);
  const parsed = serializedErrorSchema.safeParse(message.error.data);
  expect(parsed.error, label).toBeUndefined();
  return parsed.success ? `${parsed.data.domain}.${parsed.data.code}` : 'malformed';
}
