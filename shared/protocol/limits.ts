/** Largest frame either side accepts, in bytes of its payload; a larger one closes the connection. */
export const maximumFrameBytes = 1024 * 1024;

/** Largest provider message in either direction, in bytes before base64. */
export const maximumProviderMessageBytes = 512 * 1024;

/** Longest a provider may take to answer a message, and the default, in milliseconds. */
export const maximumProviderMessageTimeout = 60_000;
export const defaultProviderMessageTimeout = 10_000;

/** Most log entries that `log.read` returns, which is also how many the helper keeps in memory. */
export const maximumLogEntries = 2000;

/** Largest start options, in bytes of their JSON text. */
export const maximumStartOptionsBytes = 64 * 1024;

/** Most configurations a helper stores. */
export const maximumConfigurations = 500;

/** Largest all configurations may be together, in bytes of their JSON text: one snapshot is one frame. */
export const maximumConfigurationsBytes = 512 * 1024;
