import { describeFaults } from './describe-faults.js';
import { httpRows } from './rows/http-rows.js';

describeFaults('answers', httpRows);
