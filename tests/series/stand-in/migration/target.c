#include "migration.h"
