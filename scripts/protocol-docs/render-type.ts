import * as z from 'zod';

/** The part of JSON Schema that zod makes of our schemas. */
interface Node {
  readonly $ref?: string | undefined;
  readonly type?: string | undefined;
  readonly format?: string | undefined;
  readonly const?: unknown;
  readonly enum?: readonly unknown[] | undefined;
  readonly default?: unknown;
  readonly anyOf?: readonly Node[] | undefined;
  readonly properties?: Readonly<Record<string, Node>> | undefined;
  readonly required?: readonly string[] | undefined;
  readonly additionalProperties?: Node | boolean | undefined;
  readonly items?: Node | undefined;
  readonly maxLength?: number | undefined;
  readonly maxItems?: number | undefined;
  readonly minimum?: number | undefined;
  readonly exclusiveMinimum?: number | undefined;
  readonly maximum?: number | undefined;
}

const nodeSchema: z.ZodType<Node> = z.lazy(() =>
  z.object({
    $ref: z.string().optional(),
    type: z.string().optional(),
    format: z.string().optional(),
    const: z.unknown().optional(),
    enum: z.array(z.unknown()).optional(),
    default: z.unknown().optional(),
    anyOf: z.array(nodeSchema).optional(),
    properties: z.record(z.string(), nodeSchema).optional(),
    required: z.array(z.string()).optional(),
    additionalProperties: z.union([nodeSchema, z.boolean()]).optional(),
    items: nodeSchema.optional(),
    maxLength: z.number().optional(),
    maxItems: z.number().optional(),
    minimum: z.number().optional(),
    exclusiveMinimum: z.number().optional(),
    maximum: z.number().optional(),
  }),
);

/** Schemas by the name under which the documentation shows them once. */
export type NamedSchemas = ReadonlyMap<z.ZodType, string>;

/**
 * A schema as text in TypeScript's notation, with bounds and defaults as comments.
 *
 * @param io whether fields with a default may be left out (`input`) or are always there (`output`)
 * @param named schemas to refer to by name
 */
export function renderType(schema: z.ZodType, io: 'input' | 'output', named: NamedSchemas): string {
  const registry = z.registry<{ id: string }>();
  for (const [each, id] of named) if (each !== schema) registry.add(each, { id });
  const root = nodeSchema.parse(z.toJSONSchema(schema, { io, metadata: registry }));
  return render(root, '').replaceAll(selfReference, named.get(schema) ?? 'unknown');
}

/** A type that refers to itself. */
const selfReference = '#';

function render(node: Node, indent: string): string {
  if (node.$ref !== undefined) return node.$ref.slice(node.$ref.lastIndexOf('/') + 1);
  if (node.const !== undefined) return JSON.stringify(node.const);
  if (node.enum !== undefined) return node.enum.map((each) => JSON.stringify(each)).join(' | ');
  if (node.anyOf !== undefined) return node.anyOf.map((each) => render(each, indent)).join(' | ');
  switch (node.type) {
    case 'array':
      return arrayOf(node.items === undefined ? 'unknown' : render(node.items, indent));
    case 'object':
      return renderObject(node, indent);
    case 'integer':
    case 'number':
      return 'number';
    case undefined:
      return 'unknown';
    default:
      return node.type;
  }
}

function arrayOf(item: string): string {
  return /^[\w]+$/.test(item) ? `${item}[]` : `Array<${item}>`;
}

function renderObject(node: Node, indent: string): string {
  const properties = Object.entries(node.properties ?? {});
  if (properties.length === 0) {
    const { additionalProperties: values } = node;
    return typeof values === 'object' ? `Record<string, ${render(values, indent)}>` : '{}';
  }
  const inner = `${indent}  `;
  const lines = properties.map(([name, property]) => {
    const optional = (node.required ?? []).includes(name) ? '' : '?';
    const note = notes(property).join(', ');
    return `${inner}${name}${optional}: ${render(property, inner)};${note === '' ? '' : ` // ${note}`}`;
  });
  return ['{', ...lines, `${indent}}`].join('\n');
}

function notes(node: Node): string[] {
  const inner = (node.anyOf ?? []).flatMap((each) => ownNotes(each));
  const fallback = node.default === undefined ? [] : [`default ${JSON.stringify(node.default)}`];
  return [...new Set([...ownNotes(node), ...inner]), ...fallback];
}

function ownNotes(node: Node): string[] {
  const { format, maxLength, maxItems, minimum, exclusiveMinimum, maximum } = node;
  const least = exclusiveMinimum === undefined ? minimum : exclusiveMinimum + 1;
  return [
    ...(node.type === 'integer' ? ['integer'] : []),
    ...(format === undefined ? [] : [format === 'uuid' ? 'UUID' : format]),
    ...(least === undefined || least === Number.MIN_SAFE_INTEGER ? [] : [`at least ${String(least)}`]),
    ...(maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? [] : [`at most ${String(maximum)}`]),
    ...(maxLength === undefined ? [] : [`at most ${String(maxLength)} characters`]),
    ...(maxItems === undefined ? [] : [`at most ${String(maxItems)}`]),
  ];
}
