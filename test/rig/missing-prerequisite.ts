/**
 * Something that this machine lacks and a person can supply.
 *
 * Its message is one line: what is missing, then exactly what to do. Scripts print it without a stack.
 */
export class MissingPrerequisite extends Error {
  override readonly name = 'MissingPrerequisite';
}
