export { SEND_STATES, type SendState } from '../../schema/sending.ts'
