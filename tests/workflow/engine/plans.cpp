// Every statement of every test here.
#include "workflow/store/every_plan.h"
