namespace wasserflow {}
