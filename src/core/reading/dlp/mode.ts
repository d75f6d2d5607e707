export { DLP_MODES, type DlpMode } from '../../../schema/accounts.ts'
