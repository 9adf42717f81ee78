/** The errors that a provider throws and catches; every one keeps its type on its way to the person. */
export {
  ConnectionError,
  isError,
  NetworkSettingsError,
  ProviderError,
  VPNError,
} from '../protocol/errors.ts';
