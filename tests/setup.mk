# SPDX-License-Identifier: MIT
# `make setup GOALS`: installs what the goals need, then makes them, in a make
# of their own: so none of them starts early, whatever -j says.

SETUP_GOALS := $(filter-out setup,$(MAKECMDGOALS))

.PHONY: setup setup-then-goals $(SETUP_GOALS)
setup:
	@ARCH="$(ARCH)" sh tests/setup.sh $(SETUP_GOALS)

$(SETUP_GOALS): setup-then-goals
	@:

setup-then-goals: setup
	+@$(MAKE) --no-print-directory $(SETUP_GOALS)
