"""As much of the C++ library as the probes use, for stand-ins of vendors' archives: what macos_sdk.py declares."""

from __future__ import annotations

CXX_LIBRARY = """\
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>

// Vectors of the tests' own grow without asking for more.
void *operator new(size_t size) { return calloc(1, size + 4096); }
void *operator new[](size_t size) { return calloc(1, size + 4096); }
void operator delete(void *memory) noexcept { free(memory); }
void operator delete[](void *memory) noexcept { free(memory); }
void operator delete(void *memory, size_t) noexcept { free(memory); }
void operator delete[](void *memory, size_t) noexcept { free(memory); }

namespace std {
string::string() : text("") {}
string::string(const char *given) : text(given) {}
string::string(const string &other) : text(other.text) {}
string::~string() {}
string &string::operator=(const char *given) { text = given; return *this; }
bool string::operator!=(const char *other) const
{
    const char *mine = text;
    while (*mine && *mine == *other)
        mine++, other++;
    return *mine != *other;
}

exception::~exception() {}
const char *exception::what() const noexcept { return "exception"; }
runtime_error::runtime_error(const char *given) : text(given) {}
runtime_error::~runtime_error() {}
const char *runtime_error::what() const noexcept { return text; }

ostream cout;
ostream &ostream::operator<<(const char *text) { printf("%s", text); return *this; }
ostream &ostream::operator<<(int number) { printf("%d", number); return *this; }
ostream &ostream::operator<<(ostream &(*change)(ostream &)) { return change(*this); }
ostream &endl(ostream &stream) { return stream << "\\n"; }
}
"""
