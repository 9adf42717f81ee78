/** Largest file that can be imported, in bytes; as much as the endpoint takes in one frame. */
export const maximumImportBytes = 1024 * 1024;

/** How many files one drop may hold. */
export const maximumImportFiles = 50;
