/**
 * fast-check for this project's tests. The same inputs in each run, so that what failed once fails again;
 * the long form (`PORTICO_SOAK=1`) looks further with a new seed each time, which a failure prints.
 */
import fc from 'fast-check'

if (process.env['PORTICO_SOAK'] !== '1') fc.configureGlobal({ seed: 1_350_000 })

export { fc }
