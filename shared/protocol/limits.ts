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

/** Deepest nesting of objects and arrays in one message, the message itself included. */
export const maximumJsonDepth = 64;

/** Requests of one connection that may wait for their answers. */
export const maximumRequestsPerConnection = 64;

/** Requests of all connections of one uid that may wait for their answers; root's are not counted. */
export const maximumRequestsPerUid = 256;

/** Requests that a uid may make per second in the long run, and at once after a pause; root's are not counted. */
export const requestsPerSecond = 200;
export const requestBurst = 400;

/** Provider messages of all clients that one session's provider may be working on. */
export const maximumProviderMessagesInFlight = 64;

/** Configurations that one uid may own; root may own all. */
export const maximumConfigurationsPerOwner = 100;

/** Largest all secrets of one owner's configurations may be together, in bytes; root's are not counted. */
export const maximumSecretBytesPerOwner = 8 * 1024 * 1024;
