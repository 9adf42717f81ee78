import * as z from 'zod';
import type { Random } from './mutator.ts';

/** Anything that JSON can say. */
type Value = unknown;

const uuids = ['00000000-0000-4000-8000-000000000001', '11111111-2222-4333-8444-555555555555'] as const;

/** Values that no schema of the protocol expects where they are put. */
const odd: readonly [Value, ...Value[]] = [
  null,
  true,
  -1,
  0,
  1e308,
  2 ** 53,
  -(2 ** 31),
  0.5,
  '',
  '\0',
  '\ud800',
  '../../etc/passwd',
  'A'.repeat(5000),
  '__proto__',
  [],
  {},
  [[[[[[[[]]]]]]]],
  nested(40),
  { toString: 1, constructor: { prototype: { polluted: true } } },
];

function nested(depth: number): Value {
  let value: Value = 1;
  for (let level = 0; level < depth; level += 1) value = { a: value };
  return value;
}

/**
 * A value that fits a schema, or nearly: strings with a pattern are guessed.
 *
 * It follows the schema's JSON Schema, which zod makes of whatever the protocol uses.
 */
export function valueFor(schema: z.ZodType, random: Random): Value {
  return fromJsonSchema(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), random, 0);
}

const nodeSchema = z.looseObject({
  type: z.string().optional(),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
  format: z.string().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
  items: z.unknown().optional(),
  minimum: z.number().optional(),
  exclusiveMinimum: z.number().optional(),
  maximum: z.number().optional(),
  contentEncoding: z.string().optional(),
});

function fromJsonSchema(schema: unknown, random: Random, depth: number): Value {
  const parsed = nodeSchema.safeParse(schema);
  if (!parsed.success || depth > 8) return {};
  const node = parsed.data;
  if (node.const !== undefined) return node.const;
  if (node.enum !== undefined) return node.enum[random.below(node.enum.length)];
  if (node.anyOf !== undefined)
    return fromJsonSchema(node.anyOf[random.below(node.anyOf.length)], random, depth + 1);
  switch (node.type) {
    case 'object': {
      const required = new Set(node.required);
      const entries = Object.entries(node.properties ?? {})
        .filter(([name]) => required.has(name) || random.below(3) > 0)
        .map(([name, property]) => [name, fromJsonSchema(property, random, depth + 1)] as const);
      return Object.fromEntries(entries);
    }
    case 'array':
      return Array.from({ length: random.below(3) }, () => fromJsonSchema(node.items, random, depth + 1));
    case 'integer':
    case 'number': {
      const least = node.minimum ?? (node.exclusiveMinimum ?? -1) + 1;
      const most = Math.min(node.maximum ?? least + 5, least + 5);
      return least + random.below(most - least + 1);
    }
    case 'boolean':
      return random.below(2) === 1;
    case 'null':
      return null;
    case 'string':
      return text(node.format ?? node.contentEncoding, random);
    default:
      return random.pick(odd);
  }
}

function text(format: string | undefined, random: Random): string {
  if (format === 'uuid') return random.pick(uuids);
  if (format === 'base64') return random.pick(['', 'AA==', 'IWhlbGxv']);
  return random.pick(['com.example.echo', 'Home', 'test', '1', 'vpn.example.net']);
}

/** Changes a value somewhere: another type, a key too many, one missing, too deep, too large. */
export function spoil(value: Value, random: Random): Value {
  if (Array.isArray(value)) {
    const items = Array.from<unknown>(value);
    if (items.length === 0 || random.below(3) === 0) items.push(random.pick(odd));
    else {
      const at = random.below(items.length);
      items[at] = spoil(items[at], random);
    }
    return items;
  }
  if (typeof value !== 'object' || value === null) return random.pick(odd);
  const entries: [string, unknown][] = Object.entries(value);
  const at = random.below(Math.max(1, entries.length));
  switch (random.below(5)) {
    case 0:
      entries.push([random.pick(['extra', 'constructor', '', '\0', 'id ', 'ID']), random.pick(odd)]);
      break;
    case 1:
      entries.splice(at, 1);
      break;
    default: {
      const entry = entries[at];
      if (entry !== undefined) entry[1] = random.below(2) === 0 ? random.pick(odd) : spoil(entry[1], random);
    }
  }
  return Object.fromEntries(entries);
}
