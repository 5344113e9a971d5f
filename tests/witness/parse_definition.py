"""Reads a definition of a state machine on standard input by moto's parser; prints what that refuses, or nothing."""

import sys

from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser

try:
    AmazonStateLanguageParser.parse(sys.stdin.read())
except Exception as error:  # It raises what comes up.
    print(error)
