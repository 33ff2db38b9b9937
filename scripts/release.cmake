# What is installed: optimised, without the tests and without the points at which they stop the program.
#   cmake -C scripts/release.cmake -S . -B build-release -G Ninja
#   ninja -C build-release && cmake --install build-release [--prefix DIR] [--component hsmbridge]
set(CMAKE_BUILD_TYPE Release CACHE STRING "")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG" CACHE STRING "")
set(BUILD_TESTING OFF CACHE BOOL "")
set(HSMBRIDGE_FAILPOINTS OFF CACHE BOOL "")
set(HSMBRIDGE_WARNINGS_ARE_ERRORS OFF CACHE BOOL "")
# Several sources in one translation unit: the headers are read once for all of them, which is most of the time.
set(CMAKE_UNITY_BUILD ON CACHE BOOL "")
set(CMAKE_UNITY_BUILD_BATCH_SIZE 12 CACHE STRING "")
