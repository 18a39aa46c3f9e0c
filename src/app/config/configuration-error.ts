/** A setting that cannot be: names the flag, variable or field. The process ends with 2. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
}
