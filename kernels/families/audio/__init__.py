"""Sound: WAV files, spectrograms, Mel-frequency cepstral coefficients."""
